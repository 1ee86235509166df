import { afterEach, expect, it, vi } from 'vitest'
import { nextFilledPage } from '~/api/lists'
import { colourOf, readRequests } from '~/pages/requests/requests'

const sent: string[] = []
vi.stubGlobal('localStorage', { getItem: () => null, setItem: () => {}, removeItem: () => {} })

afterEach(() => vi.unstubAllGlobals())

it('a status is red if the system failed, and amber if the request was refused', () => {
  expect([200, 303, 404, 429, 500, 503].map(colourOf)).toEqual([
    'green',
    'green',
    'amber',
    'amber',
    'red',
    'red',
  ])
})

it('each filter of the address is one of the API', async () => {
  const { api } = await import('~/api/client')
  vi.spyOn(api, 'GET').mockImplementation((async (_: string, { params }: { params: { query: object } }) => {
    sent.push(JSON.stringify(params.query))
    return { data: { items: [], next_cursor: null }, response: new Response() }
  }) as never)
  await readRequests({ key: 'K', status: '4xx', id: 'R', from: '2026-12-01' }, 'next')
  await readRequests({})
  expect(sent.map((it) => JSON.parse(it))).toEqual([
    { limit: 50, cursor: 'next', key: ['K'], status: ['4xx'], request_id: 'R', from: '2026-12-01' },
    { limit: 50 },
  ])
})

it('a list with slow pages stops at the first empty one', async () => {
  const read = vi.fn(async () => ({ items: [], next_cursor: 'more' }))
  expect((await nextFilledPage(read, undefined, 1)).next_cursor).toBe('more')
  expect(read).toHaveBeenCalledTimes(1)
})
