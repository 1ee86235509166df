import { expect, test } from 'vitest'
import { covers, toggled } from '~/pages/events/events'
import { duration, figuresOf, pointsOf, quantile } from '~/pages/webhooks/attempts'
import { changesOf, type Delivery, type Webhook } from '~/pages/webhooks/webhooks'
import { parts } from '~/ui/Json'

test('a wider pattern replaces those that it covers', () => {
  expect(toggled(['order.created', 'stock.low'], 'order.*', true)).toEqual(['stock.low', 'order.*'])
  expect(toggled(['stock.low', 'order.*'], '*', true)).toEqual(['*'])
  expect(toggled(['stock.low', 'order.*'], 'order.*', false)).toEqual(['stock.low'])
})

test('patterns cover types of their group alone', () => {
  expect(covers(['order.*'], 'order.created')).toBe(true)
  expect(covers(['order.*'], 'orders.created')).toBe(false)
  expect(covers(['order.created'], 'order.*')).toBe(false)
  expect(covers(['*'], 'order.*')).toBe(true)
})

const attempt = (at: string, status: string, duration_ms: number | null) => ({
  ...{ at, status, duration_ms, status_code: null, error: null, answer: null },
})

test('attempts are in the order of time, and those without a duration are left out', () => {
  const deliveries = [
    { attempts: [attempt('2026-11-29T10:00:02Z', 'succeeded', 40)] },
    {
      attempts: [
        attempt('2026-11-29T10:00:00Z', 'failed', 0),
        attempt('2026-11-29T10:00:05Z', 'in_progress', null),
      ],
    },
  ] as unknown as Delivery[]
  expect(pointsOf(deliveries)).toEqual({
    times: [1795946400, 1795946402],
    succeeded: [null, 40],
    failed: [1, null],
  })
  expect(figuresOf(deliveries)).toEqual({ attempts: 2, succeeded: 1, half: 0, most: 40 })
})

test('quantiles are values that occurred', () => {
  expect(quantile([], 0.5)).toBeNull()
  expect(quantile([1, 2, 3, 4], 0.5)).toBe(2)
  expect(quantile([1, 2, 3, 4], 0.95)).toBe(4)
})

test('durations have a fitting unit', () => {
  expect([7.4, 999, 1234].map((it) => duration(it, 'en'))).toEqual(['7 ms', '999 ms', '1.2 sec'])
})

test('a change has only what differs', () => {
  const webhook = {
    url: 'https://a.example/',
    events: ['a.b', 'c.*'],
    description: null,
  } as unknown as Webhook
  expect(
    changesOf(webhook, { url: 'https://a.example/', events: ['c.*', 'a.b'], description: null }),
  ).toEqual({})
  expect(changesOf(webhook, { url: 'https://a.example/', events: ['*'], description: 'x' })).toEqual({
    events: ['*'],
    description: 'x',
  })
})

test('coloured JSON has the same text', () => {
  const json = JSON.stringify({ 'a "quoted" \\ key': ['<script>', -1.5e3, null, true], b: {} }, null, 2)
  const found = parts(json)
  expect(found.map((it) => it.text).join('')).toBe(json)
  expect(found.filter((it) => it.kind === 'key').map((it) => it.text)).toEqual([
    '"a \\"quoted\\" \\\\ key"',
    '"b"',
  ])
})
