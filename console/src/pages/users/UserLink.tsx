import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { isAdmin } from '~/session/session'
import { readUser } from './users'

/**
 * An actor whom the API names by an id alone, which can be that of a user or of a service key.
 *
 * Admins, who can read users, get a link if it is a user; `text` is then in the place of the id.
 */
export function UserLink(props: { id: string; text?: string }) {
  const { id, text } = props
  const { isSuccess } = useQuery({
    queryKey: ['user', id],
    queryFn: () => readUser(id),
    enabled: isAdmin(),
    staleTime: Number.POSITIVE_INFINITY,
  })
  if (!isSuccess) return <span className="mono small break">{id}</span>
  return (
    <Link to="/users/$id" params={{ id }} className={text ? undefined : 'mono small'}>
      {text ?? id}
    </Link>
  )
}
