import { Link, useNavigate } from '@tanstack/react-router'
import { FileDown } from 'lucide-react'
import { useMemo } from 'react'
import { useList } from '~/api/lists'
import { useFormats, useTexts } from '~/texts'
import { Empty } from '~/ui/Empty'
import { LoadMore } from '~/ui/LoadMore'
import { Failed } from '~/ui/problems'
import { SkeletonRows } from '~/ui/Skeleton'
import { useRows } from '~/ui/useRows'
import { ExportButtons } from './ExportButtons'
import { ExportState } from './ExportState'
import { type Export, isUnfinished, readExports } from './exports'
import { Span } from './Span'

const POLL_MS = 2000

export function ExportList() {
  const texts = useTexts()
  const navigate = useNavigate()
  const list = useList(['exports'], readExports, {
    poll: (items) => (items.some(isUnfinished) ? POLL_MS : false),
  })
  const { items } = list
  const act = useMemo(
    () => ({
      open: (row: number) => items[row] && navigate({ to: '/exports/$id', params: { id: items[row].id } }),
    }),
    [items, navigate],
  )
  const active = useRows(items.length, act)
  if (list.isError && !items.length) return <Failed error={list.error} retry={() => void list.refetch()} />
  if (list.isSuccess && !items.length)
    return (
      <Empty
        icon={<FileDown size={28} aria-hidden />}
        title={texts.exports.empty}
        lead={texts.exports.emptyLead}
      />
    )
  return (
    <>
      <div className="table-box">
        <table className="table cards" aria-busy={list.isPending}>
          <thead>
            <tr>
              <th>{texts.exports.report}</th>
              <th>{texts.exports.period}</th>
              <th>{texts.exports.status}</th>
              <th className="number">{texts.exports.rows}</th>
              <th>{texts.exports.requested}</th>
              <th>
                <span className="hidden">{texts.exports.actions}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {list.isPending ? (
              <SkeletonRows rows={6} columns={6} />
            ) : (
              items.map((it, row) => <Row key={it.id} item={it} active={row === active} />)
            )}
          </tbody>
        </table>
      </div>
      <LoadMore hasMore={list.hasNextPage} busy={list.isFetchingNextPage} more={list.fetchNextPage} />
    </>
  )
}

function Row(props: { item: Export; active: boolean }) {
  const { item, active } = props
  const texts = useTexts()
  const formats = useFormats()
  const navigate = useNavigate()
  return (
    <tr
      className="link"
      data-active={active}
      onClick={(event) => {
        if (!(event.target as HTMLElement).closest('a, button'))
          void navigate({ to: '/exports/$id', params: { id: item.id } })
      }}
    >
      <td>
        <Link to="/exports/$id" params={{ id: item.id }}>
          {texts.exports.reports[item.report]}
        </Link>{' '}
        <span className="hint">{texts.exports.formats[item.format]}</span>
      </td>
      <td className="quiet small wide">
        <Span filters={item.filters} report={item.report} />
      </td>
      <td className="state">
        <ExportState item={item} />
      </td>
      <td className="number quiet">
        {formats.count(item.rows)}
        <span className="only-cards"> {texts.exports.rowsOf(item.rows)}</span>
      </td>
      <td className="quiet" title={formats.dateTime(item.created_at)}>
        {formats.ago(item.created_at)}
      </td>
      <td className="end actions-cell">
        <ExportButtons item={item} />
      </td>
    </tr>
  )
}
