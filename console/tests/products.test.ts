import { describe, expect, it } from 'vitest'
import { amountOf, isSameAmount, typedAmount } from '~/format/amount'
import * as drafts from '~/pages/products/draft'
import { adjustmentOf, isBehind, stepsOf } from '~/pages/products/ledger'
import type { Movement } from '~/pages/products/products'

describe('amounts as typed', () => {
  it.each([
    ['12.9', '12.9'],
    ['12,90', '12.90'],
    ['1.290,00', '1290.00'],
    ["1'290.50", '1290.50'],
    ['7', '7'],
    ['7,', '7'],
    ['', null],
    ['-1', null],
    ['1,2,3', null],
    ['12 €', null],
  ])('%s is %s', (typed, amount) => expect(amountOf(typed)).toBe(amount))

  it('compares exactly', () => {
    expect(isSameAmount('36.5', '036.50')).toBe(true)
    expect(isSameAmount('0.1', '0.10000000000000001')).toBe(false)
  })

  it('writes as the reader types', () => expect(typedAmount('12.90', 'de-DE')).toBe('12,90'))
})

describe('a draft of a product', () => {
  const before = { ...drafts.NO_FIELDS, name: 'Mug', category: 'Kitchen', price: '9.00' }

  it('has only what was changed', () => {
    let draft = drafts.type(drafts.UNTOUCHED, before, 'name', 'Cup')
    draft = drafts.type(draft, before, 'price', '9')
    expect(drafts.changesOf(draft, before)).toEqual({ name: 'Cup' })
  })

  it('is in conflict where someone else changed the same field to something else', () => {
    let draft = drafts.type(drafts.UNTOUCHED, before, 'name', 'Cup')
    draft = drafts.type(draft, before, 'price', '8')
    const theirs = { ...before, name: 'Beaker', price: '8.00', category: 'Office' }
    expect(drafts.conflicts(draft, theirs)).toEqual(['name'])
    expect(drafts.shown(draft, theirs).category).toBe('Office')
    const yours = drafts.takeYours(draft, theirs, 'name')
    expect(drafts.conflicts(yours, theirs)).toEqual([])
    expect(drafts.changesOf(yours, theirs)).toEqual({ name: 'Cup' })
    expect(drafts.changesOf(drafts.takeTheirs(draft, 'name'), theirs)).toEqual({})
  })

  it('finds mistakes', () => {
    const attributes: [string, string][] = [
      ['roast', 'dark'],
      ['roast ', 'light'],
      ['', ''],
    ]
    expect(
      drafts.mistakes({ ...before, name: ' ', price: 'x', low_stock_threshold: '1.5', attributes }),
    ).toEqual({
      name: 'required',
      price: 'amount',
      low_stock_threshold: 'whole',
      attributes: 'attributeTwice',
    })
  })
})

describe('the ledger', () => {
  const movement = (minute: number, shard: number, available: number[], reserved = [0, 0]) =>
    ({
      at: `2026-01-31T09:0${minute}:00.000Z`,
      shard,
      available: { before: available[0], after: available[1] },
      reserved: { before: reserved[0], after: reserved[1] },
    }) as Movement

  it('has a level after each movement', () => {
    const movements = [movement(2, 0, [10, 8], [0, 2]), movement(1, 0, [0, 10])]
    const product = { available: 8, reserved: 2, shards: 1 }
    const until = new Date('2026-01-31T09:05:00Z').getTime()
    const steps = stepsOf(product, movements, until)
    expect(steps.main).toEqual([10, 8, 8])
    expect(steps.other).toEqual([10, 10, 10])
    expect(isBehind(product, movements)).toBe(false)
    expect(isBehind({ ...product, available: 7 }, movements)).toBe(true)
  })

  it('counts back over shards, and shows a move between them as one moment', () => {
    const movements = [movement(3, 1, [0, 4]), movement(3, 0, [10, 6]), movement(1, 0, [7, 10])]
    const steps = stepsOf({ available: 10, reserved: 0, shards: 2 }, movements, 0)
    expect(steps.main).toEqual([10, 10, 10])
  })

  it('reads adjustments', () => {
    expect(['+3', '−4', '0', '1.5', ''].map(adjustmentOf)).toEqual([3, -4, null, null, null])
  })
})
