/** Middy middleware that ends model calls before the Lambda does, and says where the time went. */

export {}
