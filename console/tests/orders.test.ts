import { describe, expect, it } from 'vitest'
import type { Order, Page } from '~/api/client'
import { mailTo } from '~/pages/orders/address'
import { keepMatches, matches } from '~/pages/orders/find'
import { orderQuery } from '~/pages/orders/query'

const ORDER = {
  id: '6Q2ENPEX73RZ07MZ572P',
  number: '20261130-6Q2ENPEX73',
  created_at: '2026-11-30T19:31:00Z',
  customer: { email: 'ines.carvalho@example.com', first_name: 'Inês', last_name: 'Carvalho' },
  shipping_address: { name: 'Office of Dr. Weiß' },
  shipment: { tracking_number: 'JD014600' },
} as unknown as Order

describe('an order is found', () => {
  it.each(['ines carvalho', 'Carvalho', 'INES.C', 'dr. weiß'])('by %s', (words) =>
    expect(matches(ORDER, words)).toBe(true),
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

describe('a search for orders', () => {
  it('is left to the API, which has one search at a time', () => {
    expect(orderQuery({ q: 'JD014600', status: 'shipped', customer: 'C' })).toEqual({
      limit: 50,
      q: 'JD014600',
      status: ['shipped'],
    })
    expect(orderQuery({ customer: 'C' })).toEqual({ limit: 50, customer_id: 'C' })
  })

  it('for a name reads as many orders as a page can have, without the name', () => {
    expect(orderQuery({ q: 'Weber', by: 'name', customer: 'C' })).toEqual({ limit: 100, customer_id: 'C' })
  })
})

it('writes to the address of a guest and adds no field', () => {
  expect(mailTo('ada+shop@example.org')).toBe('mailto:ada%2Bshop@example.org')
  expect(mailTo('a?bcc=eve&body=x@example.org')).toBe('mailto:a%3Fbcc%3Deve%26body%3Dx@example.org')
})
