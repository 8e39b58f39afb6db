/** The page in a real browser, against the function under AWS's runtime client. */

import { existsSync } from 'node:fs'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type LocalChat, startChat } from './local.ts'

const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'
const missing = !existsSync(executablePath)
if (missing)
  console.warn(`No browser at ${executablePath}: set CHROMIUM_PATH to test the page of chat-stream.`)

describe.skipIf(missing)('the page', () => {
  let chat: LocalChat
  let browser: Browser
  let page: Page
  const complaints: string[] = []

  beforeAll(async () => {
    chat = await startChat({ latency: { firstTokenMs: 50, tokensPerSecond: 40, jitter: 0 } })
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  })
  afterAll(async () => {
    await browser?.close()
    await chat?.close()
  })
  afterEach(async () => {
    await page.close()
    expect(complaints.splice(0)).toEqual([])
  })

  async function ask(): Promise<void> {
    chat.local.bedrock.reset()
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
    page.on('pageerror', (error) => complaints.push(error.message))
    await page.goto(chat.url)
    // Every state of the answer that the page has shown.
    await page.evaluate(`
      globalThis.seen = []
      const log = document.querySelector('#log')
      const watcher = new MutationObserver(() => seen.push(log.querySelector('.assistant')?.textContent.length ?? 0))
      watcher.observe(log, { subtree: true, characterData: true })
    `)
    await page.getByLabel('Your message').fill('Where is my card?')
    await page.getByRole('button', { name: 'Send' }).click()
  }

  const answer = () => page.locator('.assistant')

  test('shows tokens one by one, and the whole answer with its figures', async () => {
    await ask()
    await answer().locator('.end').waitFor({ timeout: 15_000 })
    expect(await answer().textContent()).toMatch(/“Where is my card\?”.*worse than none\.whole$/)
    const seen = await page.evaluate<number[]>('seen')
    const { outputTokens, inputTokens } = chat.local.bedrock.counters()
    expect(seen.length).toBeGreaterThan(outputTokens / 2)
    expect(seen).toEqual(seen.toSorted((a, b) => a - b))
    expect(await page.locator('#output').textContent()).toBe(String(outputTokens))
    expect(await page.locator('#input').textContent()).toBe(String(inputTokens))
    expect(await page.locator('#rate').getAttribute('d')).toMatch(/^M0\.0 .*L/)
    expect(await page.getByRole('img').getAttribute('aria-labelledby')).toContain('plot-text')
    expect(await page.getByRole('button', { name: 'Stop' }).isDisabled()).toBe(true)
  })

  test('stops the answer, and the model with it', async () => {
    await ask()
    await answer().filter({ hasText: 'You asked' }).waitFor()
    await page.getByRole('button', { name: 'Stop' }).click()
    await answer().getByText('stopped by you').waitFor({ timeout: 5_000 })
    await chat.local.bedrock.idle()
    const { outcomes, outputTokens } = chat.local.bedrock.counters()
    expect(outcomes).toEqual({ aborted: 1 })
    expect(outputTokens).toBeLessThan(80)
    expect(await page.locator('#output').textContent()).toMatch(/^≈ \d+$/)
  })

  test.for([
    ['before the first token', { fault: 'throttle', daily: true }, 'daily_quota_exceeded', ''],
    ['in the middle', { fault: 'cut', afterEvents: 8 }, 'stream_interrupted', 'You asked'],
  ] as const)('says that it failed, %s', async ([, fault, code, said]) => {
    chat.local.bedrock.setFaults([fault])
    await ask()
    const alert = page.getByRole('alert')
    await alert.waitFor({ timeout: 10_000 })
    expect(await alert.textContent()).toContain(code)
    expect(await answer().textContent()).toContain(said)
    chat.local.bedrock.setFaults([])
    expect(await page.getByRole('button', { name: 'Send' }).isEnabled()).toBe(true)
  })

  test('fits a telephone', async () => {
    await ask()
    await page.setViewportSize({ width: 375, height: 700 })
    await answer().locator('.end').waitFor({ timeout: 15_000 })
    expect(
      await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth'),
    ).toBeLessThanOrEqual(0)
    for (const part of ['#text', '#send', '#stop', '#plot'])
      expect(await page.locator(part).isVisible()).toBe(true)
  })
})

test('what is no chat is refused', async () => {
  const chat = await startChat()
  for (const body of [
    '',
    '{}',
    '{"streamId":"short"}',
    '{"streamId":"0123456789abcdef","messages":[{"role":"system"}]}',
  ]) {
    const { status } = await fetch(new URL('chat', chat.url), { method: 'POST', body })
    expect(status, body).toBe(400)
  }
  expect(chat.local.bedrock.counters().requests).toBe(0)
  await chat.close()
})
