import { expect, test } from 'vitest'
import { addressesOf, COLUMNS, columnsOf, fileSize } from '~/pages/exports/exports'
import { EXAMPLES, meaningOf } from '~/pages/exports/expressions'

test.each([
  ['rate(12 hours)', { kind: 'rate', count: 12, unit: 'hour' }],
  ['cron(5 6 * * ? *)', { kind: 'daily', time: '06:05' }],
  ['cron(0 18 ? * MON-FRI *)', { kind: 'workdays', time: '18:00' }],
  ['cron(0 7 ? * 2 *)', { kind: 'weekly', time: '07:00', weekday: 1 }],
  ['cron(0 7 15 * ? *)', { kind: 'monthly', time: '07:00', day: 15 }],
  ['cron(0 7 L * ? *)', { kind: 'lastOfMonth', time: '07:00' }],
])('%s has a meaning in words', (expression, meaning) => {
  expect(meaningOf(expression)).toEqual(meaning)
})

test.each(['cron(0 7 1W * ? *)', 'cron(0 7 ? * 2#1 *)', 'cron(0 7 * 3 ? *)', 'cron(0 7 1 * 2 *)', 'x'])(
  '%s is shown as it is',
  (expression) => {
    expect(meaningOf(expression)).toBeNull()
  },
)

test('each example has words', () => {
  expect(EXAMPLES.filter((it) => !meaningOf(it))).toEqual([])
})

test('the usual columns are not named, others are in the order of the report', () => {
  expect(columnsOf('sales', new Set(COLUMNS.sales.usual))).toBeUndefined()
  expect(columnsOf('orders', new Set(['note', 'sku', 'order_number']))).toEqual([
    'order_number',
    'sku',
    'note',
  ])
})

test('addresses are separated in any usual way, each once', () => {
  expect(addressesOf(' a@x.example, b@x.example;\na@x.example ')).toEqual(['a@x.example', 'b@x.example'])
})

test('sizes have a fitting unit', () => {
  expect([0, 999, 1200, 34_500_000].map((it) => fileSize(it, 'en'))).toEqual([
    '0 bytes',
    '999 bytes',
    '1.2 kB',
    '34.5 MB',
  ])
})
