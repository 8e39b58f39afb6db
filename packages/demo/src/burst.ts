import type { Fault, FaultRule } from 'sluice/local'

/**
 * A burst that begins after so many requests and strikes every fifth one, with the given faults in turn. Rules,
 * not a random generator: each run and each pattern meets the same burst.
 */
export function burst(faults: readonly Fault[], afterRequests: number, strikes: number): FaultRule[] {
  return Array.from({ length: strikes }, (_, index) => ({
    ...faults[index % faults.length]!,
    // A rule never sees a request that an earlier rule has struck, so four of five are left to be skipped.
    skip: afterRequests + 4 * index,
    first: 1,
  }))
}
