import { api, body, type Page, type Schemas } from '~/api/client'
import { given } from '~/api/query'
import type { UsersSearch } from '~/router'

export type User = Schemas['UserResponse']
export const ROLES: Schemas['UserRole'][] = ['customer', 'manager', 'admin']
/** A user, and the version that the page shows, which a change names. */
export type VersionedUser = { user: User; etag: string | null }

export async function readUsers(search: UsersSearch, cursor?: string): Promise<Page<User>> {
  const query = {
    limit: 50,
    ...given({
      cursor,
      q: search.q,
      role: search.role && [search.role as Schemas['UserRole']],
      status: search.status && [search.status as Schemas['UserStatus']],
    }),
  }
  return (await body(api.GET('/api/v1/admin/users', { params: { query } }))) as Page<User>
}

export async function readUser(id: string): Promise<VersionedUser> {
  const answer = api.GET('/api/v1/admin/users/{user_id}', { params: { path: { user_id: id } } })
  const user = await body(answer)
  return { user, etag: (await answer).response.headers.get('ETag') }
}

export type Change = { role: Schemas['UserRole'] } | { status: Schemas['UserStatus'] } | { unlock: true }

export async function change({ user, etag }: VersionedUser, to: Change): Promise<void> {
  const params = { path: { user_id: user.id }, header: etag ? { 'If-Match': etag } : {} }
  if ('role' in to) await body(api.PATCH('/api/v1/admin/users/{user_id}/role', { params, body: to }))
  else if ('status' in to) await body(api.PATCH('/api/v1/admin/users/{user_id}/status', { params, body: to }))
  else await body(api.POST('/api/v1/admin/users/{user_id}/unlock', { params: { path: params.path } }))
}

export function fullName(user: User): string {
  return [user.first_name, user.last_name].filter(Boolean).join(' ')
}
