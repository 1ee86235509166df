import type { Texts } from './en'

/** The name of the actor's role; a role that this version does not know stays as it is. */
export function roleName(role: string, texts: Texts): string {
  return role in texts.common.roles ? texts.common.roles[role as keyof Texts['common']['roles']] : role
}
