import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { OrdersSearch } from '~/pages/orders/query'

const SHOP = 'https://shop.test'
const EMPTY = { items: [], next_cursor: null }
const sent: string[] = []

/** Answers each request of the session and of the lists, and collects the requests. */
async function answer(input: string | Request): Promise<Response> {
  const { method, url } = new Request(input)
  sent.push(`${method} ${url.slice(SHOP.length)}`)
  if (url.includes('/auth/')) return Response.json({ access_token: 'token', expires_in: 900 })
  return Response.json(EMPTY)
}

/** The modules of a page that was just opened: they keep the session and the parts of lists. */
async function opened() {
  vi.resetModules()
  const [session, query, orders, client, parts] = await Promise.all([
    import('~/session/session'),
    import('~/pages/orders/query'),
    import('~/pages/orders/orders'),
    import('~/api/client'),
    import('~/api/parts'),
  ])
  return { ...session, ...query, ...orders, ...client, ...parts }
}

const reads = () => sent.filter((it) => it.startsWith('GET /api/v1/orders?'))

beforeEach(() => {
  sent.length = 0
  const Before = Request
  class AtShop extends Before {
    constructor(input: string | Request, init?: RequestInit) {
      super(typeof input === 'string' ? new URL(input, SHOP) : input, init)
    }
  }
  vi.stubGlobal('Request', AtShop)
  vi.stubGlobal('fetch', answer)
  vi.stubGlobal('BroadcastChannel', undefined)
  vi.stubGlobal('localStorage', { getItem: () => '1', setItem: () => {}, removeItem: () => {} })
  vi.stubGlobal('navigator', { locks: { request: (_: string, work: () => unknown) => work() } })
})

afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

it.each([
  '',
  '?status=pending,confirmed',
  '?status=pending&status=shipped',
  '?status="pending",new&from=2026-11-01',
  '?status=&from=&to=2026-11-30',
  '?q=20261130-6Q2E&from=',
  "?customer=it's (one) ~ of+all%20*&other=1",
])('the page of /orders%s uses the response that was read before it', async (address) => {
  const { firstPage, readAhead, readOrders } = await opened()
  const { searchOf } = await import('~/api/query')
  const search: OrdersSearch = searchOf(address)
  readAhead(firstPage(search))
  await readOrders(search)
  expect(reads()).toHaveLength(1)
  await readOrders(search)
  expect(reads()).toHaveLength(2)
})

it.each([
  '',
  '?view=low',
  '?view=soon',
  '?category=Desk%20%26%20pens&sort=-price',
  '?view=archived&sort=name',
])('the page of /products%s uses the response that was read before it', async (address) => {
  const { readAhead } = await opened()
  const { searchOf } = await import('~/api/query')
  const { firstPage } = await import('~/pages/products/query')
  const { readProducts } = await import('~/pages/products/products')
  const path = firstPage(searchOf(address))
  readAhead(path ?? '')
  await readProducts(searchOf(address), '2026-11-30').catch(() => {})
  expect(sent.filter((it) => it.startsWith('GET /api/v1/inventory/products?'))).toHaveLength(1)
})

it('a response that no page has used for ten seconds is not used later', async () => {
  vi.useFakeTimers()
  const { firstPage, readAhead, readOrders } = await opened()
  readAhead(firstPage({}))
  await vi.advanceTimersByTimeAsync(10_001)
  await readOrders({})
  expect(reads()).toHaveLength(2)
})

it('a response is not used after other orders were read, or one was changed', async () => {
  const { api, firstPage, move, readAhead, readOrders } = await opened()
  readAhead(firstPage({}))
  await readOrders({ status: 'shipped' })
  await readOrders({})
  expect(reads()).toHaveLength(3)

  readAhead(firstPage({}))
  await move({ id: 'one', version: 1 }, 'confirm')
  await readOrders({})
  expect(reads()).toHaveLength(5)

  readAhead(firstPage({}))
  await api.GET('/api/v1/shop')
  await readOrders({})
  expect(reads()).toHaveLength(6)
})

it('another user begins with the first part of each list', async () => {
  const { FIRST, shownPart, showPart, signOut } = await opened()
  const second = { cursor: 'second', before: FIRST }
  showPart('["orders",{}]', second)
  expect(shownPart('["orders",{}]')).toBe(second)
  await signOut()
  expect(shownPart('["orders",{}]')).toBe(FIRST)
})
