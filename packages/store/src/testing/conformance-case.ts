/** A case as a plain object, for any test runner: `for (const { name, run } of suite) test(name, run)`. */
export interface ConformanceCase {
  readonly name: string
  run(): Promise<void>
}
