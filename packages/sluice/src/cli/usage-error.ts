/** What was typed cannot be done; the message says what can. */
export class UsageError extends Error {
  constructor(problem: string, helpCommand: string) {
    super(`${problem}\nSee '${helpCommand}'.`)
    this.name = 'UsageError'
  }
}
