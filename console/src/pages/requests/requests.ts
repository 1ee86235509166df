/** The log of the API's requests, and the names of the service keys in it. */

import { api, body, type Page, type Schemas } from '~/api/client'
import { given } from '~/api/query'
import { readKeys } from '../keys/keys'

type Filter = 'key' | 'actor' | 'status' | 'operation' | 'id' | 'from' | 'to'
export type RequestsSearch = { [name in Filter]?: string }
export type LoggedRequest = Schemas['LoggedRequestResponse']

/** The statuses that people look for, the classes first. */
export const STATUSES = ['2xx', '4xx', '5xx', '401', '403', '404', '409', '412', '422', '429', '503']
const PAGE = 50

/** The filters that the API takes a list for, as one value of it. */
const list = (value: string | undefined) => (value ? [value] : undefined)

export async function readRequests(search: RequestsSearch, cursor?: string): Promise<Page<LoggedRequest>> {
  const { key, actor, status, operation, id, from, to } = search
  const query = {
    limit: PAGE,
    ...given({
      cursor,
      key: list(key),
      actor: list(actor),
      status: list(status),
      operation: list(operation),
      request_id: id,
      from,
      to,
    }),
  }
  return body(api.GET('/api/v1/admin/requests', { params: { query } }))
}

/** The names of the service keys by id: the first fifty. */
export async function readKeyNames(): Promise<ReadonlyMap<string, string>> {
  return new Map((await readKeys()).items.map((it) => [it.id, it.name]))
}

/** The colour of a status: red if the system failed, amber if the request was refused. */
export function colourOf(status: number): string {
  if (status >= 500) return 'red'
  return status >= 400 ? 'amber' : 'green'
}
