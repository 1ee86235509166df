import { describe, expect, it } from 'vitest'
import type { Order, Page } from '~/api/client'
import { dayOf, keepMatches, matches } from '~/pages/orders/find'

const ORDER = {
  id: '6Q2ENPEX73RZ07MZ572P',
  number: '20261130-6Q2ENPEX73',
  created_at: '2026-11-30T19:31:00Z',
  customer: { email: 'ines.carvalho@example.com', first_name: 'Inês', last_name: 'Carvalho' },
  shipping_address: { name: 'Office of Dr. Weiß' },
  shipment: { tracking_number: 'JD014600' },
} as unknown as Order

describe('the day of an order number', () => {
  it.each([
    ['20261130-6Q2ENPEX73', '2026-11-30'],
    ['20261130-6q', '2026-11-30'],
    ['20261130', '2026-11-30'],
    ['2026-11-30', null],
    ['20261131-6Q2ENPEX73', null],
    ['05511974483965', null],
    ['JD014600', null],
    ['', null],
  ])('of %s is %s', (words, day) => expect(dayOf(words)).toBe(day))
})

describe('an order is found', () => {
  it.each(['20261130-6q2e', 'ines carvalho', 'Carvalho', 'INES.C', 'jd0146', 'dr. weiß', '6Q2ENPEX73'])(
    'by %s',
    (words) => expect(matches(ORDER, words)).toBe(true),
  )

  it('by nothing else', () => expect(matches(ORDER, 'weber')).toBe(false))

  it('though its account and shipment are missing', () => {
    const bare = { ...ORDER, customer: null, shipment: null, shipping_address: null } as unknown as Order
    expect(matches(bare, 'weber')).toBe(false)
  })
})

it('says how far a page reached, also where nothing matched', () => {
  const page = { items: [ORDER], next_cursor: 'next' } as Page<Order>
  expect(keepMatches(page, 'weber')).toEqual({
    items: [],
    next_cursor: 'next',
    searched_to: ORDER.created_at,
  })
})
