/** Models that write no text: JSON, lines of JSON and CSV in and out. */

import type { AnswerPart, SageMakerAdapter } from './adapter.ts'

/** One JSON value in, one out. */
export function json<Input = unknown, Output = unknown>(): SageMakerAdapter<Input, Output> {
  return {
    contentType: 'application/json',
    accept: 'application/json',
    write: (input) => JSON.stringify(input),
    read: (body) => ({ message: JSON.parse(body) as Output, text: body }),
  }
}

/** Several JSON values in and out, one a line; a stream is read value by value. */
export function jsonLines<Input = unknown, Output = unknown>(): SageMakerAdapter<
  readonly Input[],
  readonly Output[]
> {
  return {
    contentType: 'application/jsonlines',
    accept: 'application/jsonlines',
    write: (inputs) => inputs.map((input) => `${JSON.stringify(input)}\n`).join(''),
    read: (body) => ({
      message: body
        .split('\n')
        .filter((line) => line.trim() !== '')
        .map((line) => JSON.parse(line) as Output),
      text: body,
    }),
    stream: {
      readLine: (line): AnswerPart => ({ text: `${line}\n`, delta: JSON.parse(line) }),
      marksEnd: false,
      collect: (parts) => parts.flatMap(({ delta }) => (delta === undefined ? [] : [delta as Output])),
    },
  }
}

/** A value of a row. Of an answer they are texts. */
export type CsvValue = string | number | boolean | null

/** Rows of values in and out, as RFC 4180 has them; without a header. */
export function csv(): SageMakerAdapter<readonly (readonly CsvValue[])[], readonly (readonly string[])[]> {
  return {
    contentType: 'text/csv',
    accept: 'text/csv',
    write: (rows) => rows.map((row) => `${row.map(csvField).join(',')}\n`).join(''),
    read: (body) => ({ message: csvRows(body), text: body }),
  }
}

function csvField(value: CsvValue): string {
  const text = value === null ? '' : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** A field is quoted or plain, and what follows it says whether its row goes on. */
const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y

function csvRows(body: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  field.lastIndex = 0
  while (field.lastIndex < body.length) {
    const at = field.lastIndex
    const found = field.exec(body)
    if (!found) throw new TypeError(`There is a quote where none may be, at ${at}.`)
    const [, quoted, plain = '', after] = found
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'))
    if (after !== ',') {
      rows.push(row)
      row = []
    }
  }
  // A comma at the very end is followed by an empty field.
  if (row.length > 0) rows.push([...row, ''])
  return rows
}
