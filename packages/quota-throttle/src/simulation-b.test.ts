/** Half of a million calls; in two files, so that they run side by side. */

import { testSeeds } from './fixtures/simulation/test-seeds.ts'

testSeeds(101, 200)
