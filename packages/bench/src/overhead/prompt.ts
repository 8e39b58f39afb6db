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

const thread = Array.from({ length: 24 }, (_, at) => {
  const pick = (words: readonly string[], step: number) =>
    words[(at * step + Math.floor(at / 7)) % words.length]
  return `${pick(subjects, 3)} ${pick(verbs, 5)} ${pick(places, 1)}, case ${1_000 + at * 37}.`
})

/**
 * A support thread of a little over 1 KB, about what a classification or a summary is made of. The endpoint's
 * model can only repeat sentences: it is asked for enough of them to fill every answer up to its `maxTokens`.
 */
export const prompt = `Summarise this thread in 22 sentences.\n\n${thread.join(' ')}`
