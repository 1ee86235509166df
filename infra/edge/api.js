// Writes the client's address into a header that the functions trust, over one that the client has sent.
function handler(event) {
  var request = event.request;
  request.headers["true-client-ip"] = { value: event.viewer.ip };
  return request;
}
