import { useMutation, useQuery } from '@tanstack/react-query'
import { api, body } from '~/api/client'
import { reread } from '~/api/queries'
import { useFormats, useTexts } from '~/texts'
import { Dialog } from '~/ui/Dialog'
import { complain, Failed } from '~/ui/problems'
import { Skeleton } from '~/ui/Skeleton'
import { say } from '~/ui/toast'
import type { Drift } from './StockCheck'

/** Shows what a repair would change, as the API computes it, before it is made. */
export function RepairDialog(props: { drift: Drift; onClose: () => void }) {
  const texts = useTexts()
  const { product_id, shard } = props.drift
  const repair = (dry_run: boolean) =>
    body(api.POST('/api/v1/admin/stock-check/repair', { body: { product_id, shard, dry_run } }))
  const { data, error, refetch } = useQuery({
    queryKey: ['stock-repair', product_id, shard],
    queryFn: () => repair(true),
    staleTime: 0,
  })
  const repairing = useMutation({
    mutationFn: () => repair(false),
    onSuccess: () => say(texts.stockCheck.repairDone),
    onError: (problem) => complain(problem, texts),
    onSettled: () => {
      props.onClose()
      return reread('stock-check')
    },
  })
  return (
    <Dialog open onClose={props.onClose} title={texts.stockCheck.repair} lead={texts.stockCheck.repairLead}>
      {error ? (
        <Failed error={error} retry={() => void refetch()} />
      ) : data ? (
        <dl className="stack tight">
          <Level name={texts.stockCheck.available} change={data.available} />
          <Level name={texts.stockCheck.reserved} change={data.reserved} />
        </dl>
      ) : (
        <Skeleton lines={2} />
      )}
      <div className="actions">
        <button type="button" className="button" onClick={props.onClose}>
          {texts.common.cancel}
        </button>
        <button
          type="button"
          className="button primary"
          disabled={!data || repairing.isPending}
          onClick={() => repairing.mutate()}
        >
          {texts.stockCheck.repair}
        </button>
      </div>
    </Dialog>
  )
}

function Level(props: { name: string; change: { before: number; after: number } }) {
  const { count } = useFormats()
  const { before, after } = props.change
  return (
    <div className="row spread">
      <dt>{props.name}</dt>
      <dd className="number">
        {count(before)} → {count(after)}
      </dd>
    </div>
  )
}
