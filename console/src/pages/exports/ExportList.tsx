import { Link, useNavigate } from '@tanstack/react-router'
import { FileDown } from 'lucide-react'
import { useList } from '~/api/lists'
import { useFormats, useTexts } from '~/texts'
import { Empty } from '~/ui/Empty'
import { ListFrame } from '~/ui/ListFrame'
import { Table } from '~/ui/Table'
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
  const active = useRows(list.items, {
    open: ({ id }) => navigate({ to: '/exports/$id', params: { id } }),
  })
  return (
    <ListFrame
      list={list}
      empty={<Empty icon={FileDown} title={texts.exports.empty} lead={texts.exports.emptyLead} />}
    >
      <Table
        columns={[
          texts.exports.report,
          texts.exports.period,
          texts.exports.status,
          { name: texts.exports.rows, isNumber: true },
          texts.exports.requested,
          { name: texts.exports.actions, isHidden: true },
        ]}
        pendingRows={list.isPending && 6}
      >
        {list.items.map((it, row) => (
          <Row key={it.id} item={it} active={row === active} />
        ))}
      </Table>
    </ListFrame>
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
