/** The API, with types from its OpenAPI document. Each function of it returns the body of the answer or throws a Problem. */

import createClient from 'openapi-fetch'
import { authorizedFetch } from '~/session/session'
import { Problem } from './problem'
import type { components, paths } from './schema'

export const api = createClient<paths>({
  fetch: authorizedFetch,
  querySerializer: { array: { style: 'form', explode: true } },
})

export type Schemas = components['schemas']
export type Order = Schemas['ManagedOrderResponse']
export type OrderStatus = Schemas['OrderStatus']
export type Product = Schemas['ManagedProductResponse']
export type Page<Item> = { items: Item[]; next_cursor: string | null }

type Answer<Data> = { data?: Data; error?: unknown; response: Response }

/** Returns the body of an answer. Throws a Problem if the API refused the request. */
export async function body<Data>(answer: Promise<Answer<Data>>): Promise<Data> {
  const { data, error, response } = await answer
  if (!response.ok) throw new Problem(response.status, (error as object | undefined) ?? {}, response.headers)
  return data as Data
}

/** The header of a change that is for the version that the user saw, and no other. */
export function ifMatch(version: number): { 'If-Match': string } {
  return { 'If-Match': `"${version}"` }
}

/** The headers of a write: a key that makes repetition safe, and the version that the user saw. */
export function writing(key: string, version?: number): Record<string, string> {
  return { 'Idempotency-Key': key, ...(version === undefined ? {} : ifMatch(version)) }
}

export function newKey(): string {
  return crypto.randomUUID()
}
