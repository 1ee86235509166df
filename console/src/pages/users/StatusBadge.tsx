import { useTexts } from '~/texts'
import type { User } from './users'

export function StatusBadge(props: { user: User }) {
  const texts = useTexts()
  const { status } = props.user
  return (
    <span className={status === 'active' ? 'badge green' : 'badge red'}>{texts.users.statuses[status]}</span>
  )
}
