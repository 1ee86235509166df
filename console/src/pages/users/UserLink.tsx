import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { isGone } from '~/api/problem'
import { isAdmin } from '~/session/session'
import { readKey } from '../keys/keys'
import { readUser } from './users'

/**
 * An actor whom the API names by an id alone: a user or a service key.
 *
 * Admins, who can read both, get a link. `text` is in the place of a user's id; a key has its name.
 */
export function UserLink(props: { id: string; text?: string }) {
  const { id, text } = props
  const once = { staleTime: Number.POSITIVE_INFINITY }
  const user = useQuery({ queryKey: ['user', id], queryFn: () => readUser(id), enabled: isAdmin(), ...once })
  const isOther = isGone(user.error)
  const key = useQuery({ queryKey: ['key', id], queryFn: () => readKey(id), enabled: isOther, ...once })
  if (user.isSuccess)
    return (
      <Link to="/users/$id" params={{ id }} className={text ? undefined : 'mono small'}>
        {text ?? id}
      </Link>
    )
  if (key.isSuccess)
    return (
      <Link to="/keys" className="break">
        {key.data.name}
      </Link>
    )
  return <span className="mono small break">{id}</span>
}
