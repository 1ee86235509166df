// Each path of the back office without a file extension is a page, and index.html has all pages.
function handler(event) {
  var request = event.request;
  if (!request.uri.split("/").pop().includes(".")) {
    request.uri = "/index.html";
  }
  return request;
}
