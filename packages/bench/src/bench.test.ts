import { expect, test } from 'vitest'
import { chooseArms, UsageError } from './bench.ts'

test('all arms unless told; the baseline always, and first', () => {
  expect(chooseArms(['sdk', 'ours', 'other'])).toEqual(['sdk', 'ours', 'other'])
  expect(chooseArms(['sdk', 'ours', 'other'], ['other'])).toEqual(['sdk', 'other'])
  expect(chooseArms(['sdk', 'ours', 'other'], ['ours', 'sdk'])).toEqual(['sdk', 'ours'])
})

test('an arm that does not exist is told with those that do', () => {
  expect(() => chooseArms(['sdk', 'ours'], ['theirs'])).toThrow(UsageError)
  expect(() => chooseArms(['sdk', 'ours'], ['theirs'])).toThrow('choose from sdk, ours')
})
