/**
 * The session of this browser.
 *
 * The access token is in this module's memory alone. The refresh token is in a cookie that no script can read, which
 * the API sets at sign-in and replaces at each refresh. Tabs share the cookie: one at a time exchanges it, and a
 * sign-out in one ends the others.
 */

import { Problem } from '~/api/problem'
import type { components } from '~/api/schema'

export type User = components['schemas']['UserResponse']
export type Shop = components['schemas']['ShopResponse']
type Tokens = { access_token: string; expires_in: number }

/**
 * `expired`: the API refuses the session, and the page stays as it is under a form to sign in again, so that nothing
 * typed is lost. `unreachable`: the first refresh got no answer.
 */
export type Session =
  | { status: 'starting' | 'signed-out' | 'unreachable' }
  | { status: 'signed-in' | 'expired'; user: User; shop: Shop }

const AUTH = '/api/v1/auth'
// Says that this browser may have the cookie, which no script can see. Without it, no request asks for a session.
const STORED = 'oms.session'
// Later the stored orders can differ from the response that was read ahead.
const AHEAD_MS = 10_000
// A token is replaced this long before its end, since clocks differ.
const MARGIN_MS = 60_000

let session: Session = { status: 'starting' }
let accessToken: string | null = null
let goodUntil = 0
let refreshing: Promise<boolean> | null = null
const waiting: (() => void)[] = []
// The response of a read that began before the script of its page was loaded. It is used once, and soon.
let ahead: { url: string; response: Promise<Response | null> } | null = null
const listeners = new Set<() => void>()
const otherTabs = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('session')

function become(next: Session): void {
  session = next
  // The next user may be one who may see less.
  if (next.status !== 'signed-in') ahead = null
  for (const listener of listeners) listener()
}

/** Calls `listener` after each change of the session, until the returned function is called. */
export function onSession(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export function currentSession(): Session {
  return session
}

export function currentUser(): User | null {
  return 'user' in session ? session.user : null
}

export function isAdmin(): boolean {
  return currentUser()?.role === 'admin'
}

/** The shop's currency and time zone; null before the sign-in. */
export function currentShop(): Shop | null {
  return 'shop' in session ? session.shop : null
}

/** Sends a request that may change the cookie, while no other tab does. */
async function post(path: string, body: unknown): Promise<Response> {
  return navigator.locks.request('session', () => send(path, body))
}

async function send(path: string, body: unknown): Promise<Response> {
  const headers: Record<string, string> = { 'Content-Type': 'application/json' }
  if (accessToken) headers.Authorization = `Bearer ${accessToken}`
  try {
    return await fetch(`${AUTH}/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  } catch {
    throw new Problem(0, {})
  }
}

async function refusal(response: Response): Promise<Problem> {
  return new Problem(response.status, await response.json().catch(() => ({})), response.headers)
}

async function store(response: Response): Promise<void> {
  const tokens = (await response.json()) as Tokens
  accessToken = tokens.access_token
  goodUntil = Date.now() + tokens.expires_in * 1000 - MARGIN_MS
  localStorage.setItem(STORED, '1')
}

function forget(): void {
  accessToken = null
  localStorage.removeItem(STORED)
}

async function read<Resource>(path: string): Promise<Resource> {
  const headers = { Authorization: `Bearer ${accessToken}` }
  const response = await fetch(`/api/v1/${path}`, { headers }).catch(() => {
    throw new Problem(0, {})
  })
  if (!response.ok) throw await refusal(response)
  return (await response.json()) as Resource
}

async function readUserAndShop(): Promise<{ user: User; shop: Shop }> {
  const [user, shop] = await Promise.all([read<User>('auth/me'), read<Shop>('shop')])
  return { user, shop }
}

/** Exchanges the cookie for a new access token. Returns false if the API refuses it; throws without an answer. */
function refresh(): Promise<boolean> {
  refreshing ??= (async () => {
    const response = await post('refresh', { refresh_token_in: 'cookie' })
    if (response.ok) {
      await store(response)
      return true
    }
    if (response.status >= 500 || response.status === 429) throw await refusal(response)
    forget()
    return false
  })().finally(() => {
    refreshing = null
  })
  return refreshing
}

/** Continues the session of the cookie, if there is one. */
export async function start(): Promise<void> {
  if (!localStorage.getItem(STORED)) return become({ status: 'signed-out' })
  try {
    if (!(await refresh())) return become({ status: 'signed-out' })
    become({ status: 'signed-in', ...(await readUserAndShop()) })
  } catch (error) {
    const refused = error instanceof Problem && error.status === 401
    become({ status: refused ? 'signed-out' : 'unreachable' })
  }
}

/** Throws a Problem: `invalid-credentials` for a wrong e-mail address or password. */
export async function signIn(email: string, password: string): Promise<void> {
  const before = currentUser()
  const response = await post('login', { email, password, refresh_token_in: 'cookie' })
  if (!response.ok) throw await refusal(response)
  await store(response)
  const known = await readUserAndShop()
  // What the page shows belongs to the other user.
  if (before && before.id !== known.user.id) location.assign('/')
  become({ status: 'signed-in', ...known })
  for (const proceed of waiting.splice(0)) proceed()
}

export async function signOut(): Promise<void> {
  try {
    await post('logout', {})
  } finally {
    forget()
    otherTabs?.postMessage('signed-out')
    become({ status: 'signed-out' })
  }
}

otherTabs?.addEventListener('message', () => {
  forget()
  become({ status: 'signed-out' })
})

function untilSignedIn(): Promise<void> {
  if (session.status === 'signed-in') become({ ...session, status: 'expired' })
  return new Promise((proceed) => waiting.push(proceed))
}

/** Begins to read a resource that a page will ask for by the same URL. A refusal is left to that request. */
export function readAhead(path: string): void {
  if (!localStorage.getItem(STORED)) return
  const request = new Request(path)
  const response = refresh()
    .then((isGood) => (isGood ? sendSigned(request) : null))
    .then((it) => (it?.ok ? it : null))
    .catch(() => null)
  const read = { url: request.url, response }
  ahead = read
  setTimeout(() => {
    if (ahead === read) ahead = null
  }, AHEAD_MS)
}

/** Returns the response that was read ahead for this request. After a write, or another read of the list, it is old. */
function takeAhead(request: Request): Promise<Response | null> | null {
  const read = ahead
  if (!read || (request.method === 'GET' && pathOf(request.url) !== pathOf(read.url))) return null
  ahead = null
  return request.method === 'GET' && request.url === read.url ? read.response : null
}

function pathOf(url: string): string {
  return new URL(url).pathname
}

/**
 * Sends a request with the access token. If the API refuses the token, it is refreshed once; if that is refused too,
 * the request waits until the user has signed in again. Throws a Problem without an answer.
 */
export async function authorizedFetch(request: Request): Promise<Response> {
  const early = await takeAhead(request)
  if (early) return early
  const again = request.clone()
  if (Date.now() >= goodUntil && !(await refresh())) await untilSignedIn()
  const response = await sendSigned(request)
  if (response.status === 403) void reviewRole()
  if (response.status !== 401) return response
  if (!(await refresh())) await untilSignedIn()
  return sendSigned(again)
}

/** Reads the user again: an admin may have changed the role. */
async function reviewRole(): Promise<void> {
  const user = await read<User>('auth/me').catch(() => null)
  if (user && session.status === 'signed-in' && user.role !== session.user.role) become({ ...session, user })
}

async function sendSigned(request: Request): Promise<Response> {
  request.headers.set('Authorization', `Bearer ${accessToken}`)
  try {
    return await fetch(request)
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new Problem(0, {})
  }
}
