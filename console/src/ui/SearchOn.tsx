import type { List } from '~/api/lists'
import { useFormats, useTexts } from '~/texts'
import { ReadMore } from './ListFrame'

/**
 * The end of a list whose pages are searched here, because the API does not filter by it: the day back to which it is
 * searched, and the button that searches further. `time` is that of the oldest item that was compared.
 */
export function SearchOn(props: { list: List<unknown>; time: string | undefined }) {
  const texts = useTexts()
  const formats = useFormats()
  const { list, time } = props
  if (!list.isSuccess) return null
  if (!list.hasNextPage) return <p className="empty hint">{texts.common.searchedAll}</p>
  const read = time ? texts.common.searchedTo(formats.fullDay(time)) : ''
  return <ReadMore list={list} label={texts.common.searchOn} read={read} />
}
