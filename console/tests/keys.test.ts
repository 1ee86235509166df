import { expect, test } from 'vitest'
import { Problem } from '~/api/problem'
import { changesOf, type Draft, keyErrors, lastDay, type ServiceKey } from '~/pages/keys/keys'

const BERLIN = 'Europe/Berlin'
const key = {
  name: 'Warehouse',
  scopes: ['orders:read', 'stock:write'],
  // The end of 31 December in Berlin.
  expires_at: '2026-12-31T23:00:00Z',
  rate_limit: 600,
  allowed_addresses: ['192.0.2.0/24'],
} as unknown as ServiceKey
const draft: Draft = {
  name: 'Warehouse',
  scopes: ['stock:write', 'orders:read'],
  expires_at: '2026-12-31',
  rate_limit: 600,
  allowed_addresses: ['192.0.2.0/24'],
}

test('the last day of a key is that before its expiry', () => {
  expect(lastDay(key, BERLIN)).toBe('2026-12-31')
  expect(lastDay({ expires_at: '2026-12-31T12:00:00Z' }, BERLIN)).toBe('2026-12-31')
  expect(lastDay({ expires_at: null }, BERLIN)).toBeNull()
})

test('a change has only what differs', () => {
  expect(changesOf(key, draft, BERLIN)).toEqual({})
  expect(changesOf({ ...key, expires_at: '2026-12-31T12:00:00Z' }, draft, BERLIN)).toEqual({})
  const other: Draft = {
    name: 'Stores',
    scopes: ['orders:read'],
    expires_at: null,
    rate_limit: 60,
    allowed_addresses: [],
  }
  expect(changesOf(key, other, BERLIN)).toEqual(other)
})

test('the error of an address names it', () => {
  const refused = (pointer: string) =>
    new Problem(422, { errors: [{ pointer, detail: 'must be a network' }] })
  const sent = { ...draft, allowed_addresses: ['192.0.2.0/24', '10.0.0.300'] }
  expect(keyErrors(refused('#/allowed_addresses/1'), sent)).toEqual({
    allowed_addresses: '10.0.0.300: must be a network',
  })
  expect(keyErrors(refused('#/allowed_addresses'), sent)).toEqual({ allowed_addresses: 'must be a network' })
  expect(keyErrors(refused('#/name'), sent)).toEqual({ name: 'must be a network' })
  expect(keyErrors(null, undefined)).toEqual({})
})
