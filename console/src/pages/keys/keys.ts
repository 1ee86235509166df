import { api, body, ifMatch, type Page, type Schemas } from '~/api/client'
import { fieldErrors, Problem } from '~/api/problem'
import { given } from '~/api/query'
import { today } from '~/format/time'

export type ServiceKey = Schemas['ServiceKeyResponse']
export type Scope = Schemas['Scope']
/** What the form has. `expires_at` is a day such as 2026-12-31, or null. */
export type Draft = Required<Schemas['CreateServiceKeyRequest']>

export const DEFAULT_RATE_LIMIT = 6000
export const MAX_RATE_LIMIT = 100_000

const versioned = (key: ServiceKey) => ({ path: { key_id: key.id }, header: ifMatch(key.version) })

export async function readKeys(cursor?: string): Promise<Page<ServiceKey>> {
  const query = { limit: 50, ...given({ cursor }) }
  return body(api.GET('/api/v1/admin/keys', { params: { query } }))
}

export async function readKey(id: string): Promise<ServiceKey> {
  return body(api.GET('/api/v1/admin/keys/{key_id}', { params: { path: { key_id: id } } }))
}

export async function createKey(draft: Draft): Promise<Schemas['CreatedServiceKeyResponse']> {
  return body(api.POST('/api/v1/admin/keys', { body: draft }))
}

export async function changeKey(
  key: ServiceKey,
  changes: Schemas['UpdateServiceKeyRequest'],
): Promise<ServiceKey> {
  return body(api.PATCH('/api/v1/admin/keys/{key_id}', { params: versioned(key), body: changes }))
}

export async function rotateKey(key: ServiceKey): Promise<Schemas['RotatedServiceKeyResponse']> {
  return body(api.POST('/api/v1/admin/keys/{key_id}/rotate', { params: versioned(key), body: {} }))
}

export async function deleteKey(key: ServiceKey): Promise<void> {
  await body(api.DELETE('/api/v1/admin/keys/{key_id}', { params: versioned(key) }))
}

/** The last day on which a key is valid, in a zone, or null: a key expires at the end of a day. */
export function lastDay(key: Pick<ServiceKey, 'expires_at'>, zone?: string): string | null {
  return key.expires_at && today(new Date(key.expires_at).getTime() - 1, zone)
}

/** The fields of a draft that differ from the key. */
export function changesOf(key: ServiceKey, draft: Draft, zone?: string): Schemas['UpdateServiceKeyRequest'] {
  const changes: Schemas['UpdateServiceKeyRequest'] = {}
  if (draft.name !== key.name) changes.name = draft.name
  if (draft.scopes.toSorted().join() !== key.scopes.toSorted().join()) changes.scopes = draft.scopes
  // The day that is shown stands for a time, which stays as it is until another day is chosen.
  if (draft.expires_at !== lastDay(key, zone)) changes.expires_at = draft.expires_at
  if (draft.rate_limit !== key.rate_limit) changes.rate_limit = draft.rate_limit
  if (draft.allowed_addresses.join() !== key.allowed_addresses.join())
    changes.allowed_addresses = draft.allowed_addresses
  return changes
}

/** The errors of the fields. That of an address begins with the address, as the field has many. */
export function keyErrors(error: Error | null, sent: Draft | undefined): Record<string, string> {
  const found = fieldErrors(error)
  if (!(error instanceof Problem)) return found
  for (const [place, text] of Object.entries(error.fieldErrors)) {
    const [, index] = /^allowed_addresses\.(\d+)$/.exec(place) ?? []
    const address = index && sent?.allowed_addresses[Number(index)]
    if (address) return { ...found, allowed_addresses: `${address}: ${text}` }
  }
  return found
}
