import { useState } from 'react'
import type { Order } from '~/api/client'
import { useTexts } from '~/texts'
import { explain } from '~/ui/problems'
import { say } from '~/ui/toast'
import { BulkShip } from './BulkShip'
import { each, keepMoved, move } from './orders'

export const AT_ONCE = 4

/** What can be done with the selected orders at once. */
export function BulkBar(props: { orders: Order[]; onDone: () => void }) {
  const texts = useTexts()
  const [done, setDone] = useState<number | null>(null)
  const [shipping, setShipping] = useState<Order[] | null>(null)
  const pending = props.orders.filter((it) => it.status === 'pending')
  const confirmed = props.orders.filter((it) => it.status === 'confirmed')

  /** Confirms the pending ones, and shows the outcome of each that failed. */
  async function confirm() {
    setDone(0)
    const moved: Order[] = []
    const outcomes = await each(pending, AT_ONCE, async (order) => {
      moved.push(await move(order, 'confirm'))
      setDone(moved.length)
    })
    const failed = outcomes.filter((it) => it.error)
    for (const { item, error } of failed.slice(0, 4))
      say(`${item.number}: ${explain(error, texts).text}`, {
        detail: explain(error, texts).detail,
        bad: true,
      })
    say(texts.orders.bulk.done(moved.length, outcomes.length))
    setDone(null)
    props.onDone()
    keepMoved(moved)
  }

  return (
    <div className="row bulk no-print">
      <strong>{texts.common.selected(props.orders.length)}</strong>
      {(pending.length > 0 || done !== null) && (
        <button
          type="button"
          className="button primary"
          disabled={done !== null}
          onClick={() => void confirm()}
        >
          {texts.orders.bulk.confirm} ({done === null ? pending.length : `${done}/${pending.length}`})
        </button>
      )}
      {confirmed.length > 0 && (
        <button
          type="button"
          className={pending.length ? 'button' : 'button primary'}
          disabled={done !== null}
          onClick={() => setShipping(confirmed)}
        >
          {texts.orders.bulk.ship} ({confirmed.length})
        </button>
      )}
      {!pending.length && !confirmed.length && <span className="quiet">{texts.orders.bulk.nothing}</span>}
      <button type="button" className="button plain" onClick={props.onDone}>
        {texts.common.clear}
      </button>
      {shipping && (
        <BulkShip
          orders={shipping}
          onClose={() => setShipping(null)}
          onDone={() => {
            setShipping(null)
            props.onDone()
          }}
        />
      )}
    </div>
  )
}
