const subjects = [
  'The refund',
  'The parcel',
  'My card',
  'The invoice',
  'The new phone',
  'Your last message',
  'The order',
]
const verbs = [
  'arrived',
  'was charged',
  'was promised',
  'got lost',
  'was returned',
  'was confirmed',
  'has been waiting',
]
const places = [
  'on Monday',
  'at the shop in Leeds',
  'twice',
  'without a receipt',
  'for the third time',
  'by post',
]

/**
 * A support thread of some 60 sentences (about 3 KB): long enough for the endpoint's extractive model to
 * answer 256 tokens from, and about what a real classification or summary is asked about.
 */
export const prompt = `Summarise this thread.\n\n${Array.from({ length: 60 }, (_, at) => {
  const pick = (words: readonly string[], step: number) =>
    words[(at * step + Math.floor(at / 7)) % words.length]
  return `${pick(subjects, 3)} ${pick(verbs, 5)} ${pick(places, 1)}, case ${1_000 + at * 37}.`
}).join(' ')}`
