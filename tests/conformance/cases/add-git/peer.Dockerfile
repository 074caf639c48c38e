FROM busybox AS a
RUN mkdir -p /r/sub && echo two > /r/f && echo s > /r/sub/s && echo '#!/bin/sh' > /r/x && chmod 755 /r/x && ln -s f /r/l
FROM busybox
COPY --from=a /r /r
