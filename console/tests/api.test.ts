import { expect, test } from 'vitest'
import { fieldErrors, isGone, isStale, Problem } from '~/api/problem'
import { given } from '~/api/query'

test('parameters without a value are not sent, but zero and false are', () => {
  expect(given({ cursor: undefined, q: '', from: null, limit: 0, gzip: false })).toEqual({
    limit: 0,
    gzip: false,
  })
})

test('an error within a field belongs to the field, and its first error is shown', () => {
  const errors = [
    { pointer: '#/events/0', detail: 'is unknown' },
    { pointer: '#/events/1', detail: 'is unknown, too' },
    { pointer: '#/url', detail: 'is not a URL' },
  ]
  expect(fieldErrors(new Problem(422, { errors }))).toEqual({ events: 'is unknown', url: 'is not a URL' })
  expect(fieldErrors(new TypeError('Failed to fetch'))).toEqual({})
})

test('a refusal because of the version is not one because of the state', () => {
  expect([412, 409, 404].map((status) => isStale(new Problem(status, {})))).toEqual([true, false, false])
  expect([404, 410, 403].map((status) => isGone(new Problem(status, {})))).toEqual([true, true, false])
})
