import { expect, it } from 'vitest'
import { de } from '~/texts/de'
import { en } from '~/texts/en'

// What is the same word in both languages, or a name.
const SAME = new Set([
  'CSV',
  'Excel',
  'Format',
  'Id',
  'Live',
  'Name',
  'SHA-256',
  'SKU',
  'Status',
  'System',
  'Test',
  'Version',
  'Webhooks',
])
// Any values do for a text with gaps: a number first, as a plural depends on it, then a unit of time.
const VALUES = [2, 'hour', '3', '4']

/** Every text with the path that leads to it. */
function* textsIn(value: unknown, path = ''): Generator<[string, string]> {
  if (typeof value === 'string') yield [path, value]
  else if (typeof value === 'function') yield [path, value(...VALUES)]
  else for (const [name, it] of Object.entries(value as object)) yield* textsIn(it, `${path}.${name}`)
}

it('is German, not English that was left', () => {
  const german = new Map(textsIn(de))
  const left = [...textsIn(en)].filter(([path, text]) => text && german.get(path) === text && !SAME.has(text))
  expect(left).toEqual([])
  expect(german.size).toBeGreaterThan(500)
})
