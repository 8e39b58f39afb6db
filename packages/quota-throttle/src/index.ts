/** Middy middleware that keeps all sandboxes of a function under the quota of a Bedrock model. */

export {}
