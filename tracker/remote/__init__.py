"""The other end of the API: what commands use to have a service do the work. Light: `http.client` alone."""
