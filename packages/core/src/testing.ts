/** The public test kit: a clock that stands still, a model without a network, and the suites that every provider must pass. */

export { resetStatistics } from './statistics.ts'
export { type FakeClock, fakeClock } from './testing/fake-clock.ts'
export { type FakeModel, type FakeScript, fakeModel } from './testing/fake-model.ts'
export {
  type ConformanceCase,
  type ProviderFault,
  type ProviderHarness,
  providerConformance,
} from './testing/provider-conformance.ts'
export { type SourceHarness, sourceConformance } from './testing/source-conformance.ts'
