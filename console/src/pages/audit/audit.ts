/** The entries of the audit log, and who the staff behind their ids are. */

import { api, body, type Page, type Schemas } from '~/api/client'
import { given } from '~/api/query'
import { readUsers, type User } from '~/pages/users/users'
import type { AuditSearch } from '~/router'

export type Entry = Schemas['AuditEntryResponse']
/** `searched_to`: the time of the oldest entry that was compared with the target. */
export type Searched = Page<Entry> & { searched_to?: string | undefined }

const PAGE = 50
const MOST = 100

/** The actions that docs/operate/audit.md lists and that people ask about, those about the shop first. */
export const ACTIONS = [
  'product.price_changed',
  'stock.repaired',
  'export.requested',
  'export.downloaded',
  'import.started',
  'import.cancelled',
  'schedule.created',
  'schedule.deleted',
  'webhook.created',
  'webhook.changed',
  'webhook.secret_rotated',
  'webhook.deleted',
  'webhook.disabled',
  'webhook.replayed',
  'service-key.created',
  'service-key.changed',
  'service-key.rotated',
  'service-key.deleted',
  'user.created',
  'user.registered',
  'user.role_changed',
  'user.status_changed',
  'user.limits_changed',
  'login',
  'password.changed',
  'password.reset',
  'account.locked',
  'access.denied',
  'persons.read',
]

/** Reads a page of entries. Those about one target are picked here, because the API does not filter by it. */
export async function readEntries(search: AuditSearch, cursor?: string): Promise<Searched> {
  const { target } = search
  const query = {
    limit: target ? MOST : PAGE,
    ...given({
      cursor,
      actor: search.actor && [search.actor],
      action: search.action && [search.action],
      from: search.from,
      to: search.to,
    }),
  }
  const page = await body(api.GET('/api/v1/admin/audit', { params: { query } }))
  if (!target) return page
  const items = page.items.filter((it) => it.target === target)
  return { ...page, items, searched_to: page.items.at(-1)?.at }
}

/** The managers and admins by id, for their e-mail addresses. The first fifty of each role. */
export async function readStaff(): Promise<ReadonlyMap<string, User>> {
  const pages = await Promise.all(['admin', 'manager'].map((role) => readUsers({ role })))
  return new Map(pages.flatMap((page) => page.items).map((it) => [it.id, it]))
}

/** The address of the page about a target such as product#4, or null. */
export function pageOf(target: string): string | null {
  if (target.startsWith('service-key#')) return '/keys'
  const [, kind, id] = /^(product|user|webhook|export)#([^#]+)$/.exec(target) ?? []
  return kind && id ? `/${kind}s/${encodeURIComponent(id)}` : null
}
