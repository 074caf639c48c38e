FROM busybox AS a
RUN mkdir -p /r/sub && echo one > /r/f && echo s > /r/sub/s && echo '#!/bin/sh' > /r/x && chmod 755 /r/x && ln -s f /r/l
FROM busybox
COPY --chown=1:2 --chmod=700 --from=a /r/sub /r/
