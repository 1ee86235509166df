import { useMutation } from '@tanstack/react-query'
import { Download } from 'lucide-react'
import { reread } from '~/api/queries'
import { useTexts } from '~/texts'
import { complain } from '~/ui/problems'
import { say } from '~/ui/toast'
import { cancelExport, download, type Export, isUnfinished } from './exports'

export function ExportButtons(props: { item: Export; primary?: boolean }) {
  const { item, primary } = props
  if (isUnfinished(item)) return <Cancel item={item} />
  return item.status === 'done' ? (
    <DownloadButton item={item} className={primary ? 'button primary' : 'button'} />
  ) : null
}

function DownloadButton(props: { item: Export; className: string }) {
  const texts = useTexts()
  const downloading = useMutation({
    mutationFn: () => download(props.item.id),
    onError: (error) => complain(error, texts),
  })
  return (
    <button
      type="button"
      className={props.className}
      disabled={downloading.isPending}
      onClick={() => downloading.mutate()}
    >
      <Download size={15} aria-hidden />
      {texts.exports.download}
    </button>
  )
}

function Cancel(props: { item: Export }) {
  const texts = useTexts()
  const cancelling = useMutation({
    mutationFn: () => cancelExport(props.item.id),
    onSuccess: () => say(texts.exports.cancelled),
    onError: (error) => complain(error, texts),
    // Also after a refusal, since it means that the export has ended meanwhile.
    onSettled: () => reread('exports'),
  })
  return (
    <button
      type="button"
      className="button"
      disabled={cancelling.isPending}
      onClick={() => cancelling.mutate()}
    >
      {texts.common.cancel}
    </button>
  )
}
