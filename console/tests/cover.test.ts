import { describe, expect, it } from 'vitest'
import type { Schemas } from '~/api/client'
import { daysLeft, ratesOf, runsOutSoon } from '~/pages/products/cover'

const RATES = ratesOf({ series: [{ key: '4', units: 60 }] } as Schemas['SalesReport'])

describe('stock at the sales of the last 30 days', () => {
  it.each([
    ['4', 14, 7, false],
    ['4', 13, 6, true],
    ['4', 1, 0, true],
    ['5', 1, null, false],
  ])('of product %s: %i units last %s days', (id, available, days, soon) => {
    expect(daysLeft(id, available, RATES)).toBe(days)
    expect(runsOutSoon({ id, available }, RATES)).toBe(soon)
  })
})
