mkdir d && echo x > d/.wh.y
