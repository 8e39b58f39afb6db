/** Middy middleware that streams tokens to the reader of a Lambda response. */

export {}
