/** The public prices, and the code that reads them, kept out of the cold start. */

import type { PriceBook } from './pricing/price-book.ts'

/** `priceBook()` without options, loaded when first opened. */
export function publicPrices(): PriceBook {
  let loading: Promise<void> | undefined
  let book: PriceBook | undefined
  return {
    open(modelId) {
      if (book) return book.open(modelId)
      loading ??= import('./pricing/price-book.ts').then(({ priceBook }) => {
        book = priceBook()
      })
      return loading.then(() => (book as PriceBook).open(modelId))
    },
  }
}
