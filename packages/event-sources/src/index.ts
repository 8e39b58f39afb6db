/** Event sources for Middy handlers: queues, buckets, state machines and HTTP, each with what it can and cannot hand back. */

export {}
