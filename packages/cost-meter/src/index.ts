/** Middy middleware that turns the usage of model calls into money, and keeps budgets. */

export {}
