import { useState } from 'react'
import type { Order } from '~/api/client'
import { reread } from '~/api/queries'
import { useTexts } from '~/texts'
import { explain } from '~/ui/problems'
import { say } from '~/ui/toast'
import { each, move } from './orders'

const AT_ONCE = 4

/** Confirms the selected orders that are pending, and shows the outcome of each that failed. */
export function BulkConfirm(props: { orders: Order[]; onDone: () => void }) {
  const texts = useTexts()
  const [done, setDone] = useState<number | null>(null)
  const pending = props.orders.filter((it) => it.status === 'pending')

  async function confirm() {
    setDone(0)
    const outcomes = await each(pending, AT_ONCE, async (order) => {
      await move(order, 'confirm')
      setDone((before) => (before ?? 0) + 1)
    })
    const failed = outcomes.filter((it) => it.error)
    for (const { item, error } of failed.slice(0, 4))
      say(`${item.number}: ${explain(error, texts).text}`, {
        detail: explain(error, texts).detail,
        bad: true,
      })
    say(texts.orders.bulk.done(outcomes.length - failed.length, outcomes.length))
    setDone(null)
    props.onDone()
    await reread('orders')
  }

  return (
    <div className="row bulk no-print">
      <strong>{texts.common.selected(props.orders.length)}</strong>
      <button
        type="button"
        className="button primary"
        disabled={!pending.length || done !== null}
        onClick={() => void confirm()}
      >
        {texts.orders.bulk.confirm} ({done === null ? pending.length : `${done}/${pending.length}`})
      </button>
      <button type="button" className="button plain" onClick={props.onDone}>
        {texts.common.clear}
      </button>
    </div>
  )
}
