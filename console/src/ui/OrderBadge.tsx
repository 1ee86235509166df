import type { OrderStatus } from '~/api/client'
import { useTexts } from '~/texts'

const COLOURS: Record<OrderStatus, string> = {
  pending: 'amber',
  confirmed: 'blue',
  shipped: 'violet',
  delivered: 'green',
  returned: '',
  cancelled: 'red',
  expired: '',
}

export function OrderBadge(props: { status: OrderStatus }) {
  return <span className={`badge ${COLOURS[props.status]}`}>{useTexts().status[props.status]}</span>
}
