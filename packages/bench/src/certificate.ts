import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generate } from 'selfsigned'

/** A certificate of this run for 127.0.0.1; nothing that has to be kept secret or that could expire is committed. */
export interface Certificate {
  key: string
  cert: string
  /** For `NODE_EXTRA_CA_CERTS` of who must trust it. */
  file: string
  remove(): Promise<void>
}

export async function createCertificate(): Promise<Certificate> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: '127.0.0.1' }], {
    keyType: 'ec',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
    ],
  })
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  const file = join(folder, 'ca.pem')
  await writeFile(file, cert)
  return { key, cert, file, remove: () => rm(folder, { recursive: true, force: true }) }
}
