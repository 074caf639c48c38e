FROM busybox
RUN mkdir /d && echo own > /d/own
COPY file /d/
COPY dir /d/dir/
COPY --chown=1:2 --chmod=600 file /p/q/r
